LIMITS = (
    "pool_timeout_s",
    "connect_timeout_s",
    "statement_timeout_ms",
    "lock_timeout_ms",
    "transaction_timeout_ms",
    "idle_in_transaction_timeout_ms",
    "keepalive_idle_s",
    "keepalive_interval_s",
    "keepalive_count",
    "tcp_user_timeout_ms",
)
