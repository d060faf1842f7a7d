"""The logins that every side saves."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

USERS = 2_000


def login(number: int, now: datetime) -> dict[str, Any]:
    """The row of one login; the users take turns."""
    data = {
        "access_token": f"token-{number:032d}",
        "broker": "paper",
        "login_method": "external_token",
        "user_name": "Trader",
        "email": "trader@example.com",
    }
    return {
        "session_id": str(uuid.uuid4()),
        "user_id": f"user_{number % USERS}",
        "start_time": now,
        "is_active": True,
        "session_data": data,
        "updated_at": now,
    }
