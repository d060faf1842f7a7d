"""Bytes to messages, validated once, at the edge; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from actors.dead_letter import first_stored_at
from actors.errors import DomainError
from actors.gateway.subjects import SESSION_SAVE
from actors.messages import Delivery, ExecuteSignal, InvalidateSession, SaveSession, Signal, Tick

MAX_BYTES = 1 << 20
MAX_TEXT = 255
MAX_ORDER_TYPE = 64
MAX_TOKEN = 2**31 - 1
MAX_QUANTITY = 10**12
FIRST_MOMENT = datetime(1, 1, 2, tzinfo=UTC)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)
"""Within these a time is one of the calendar in every zone."""


class BadMessage(DomainError):
    """The message cannot be handled; the text names the field and never quotes a value."""


def _no_bool(value: Any) -> Any:
    """JSON's `true` is no 1."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number")  # noqa: TRY004  # pydantic reports a ValueError
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
Note = Annotated[str, StringConstraints(max_length=1024)]
Token = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=MAX_TOKEN)]
Quantity = Annotated[int, BeforeValidator(_no_bool), Field(gt=0, le=MAX_QUANTITY)]
Price = Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=20, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, Field(ge=FIRST_MOMENT, le=LAST_MOMENT)]

Data = TypeVar("Data")


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Envelope(_Model, Generic[Data]):
    """Alpha Panda's event envelope."""

    id: Id
    correlation_id: Id
    causation_id: Id | None = None
    trace_id: Id | None = None
    parent_trace_id: Id | None = None
    broker: Text
    type: Text
    ts: Moment
    key: Text
    source: Text
    version: Annotated[int, BeforeValidator(_no_bool)] = 1
    data: Data


class _TickData(_Model):
    instrument_token: Token
    last_price: Price
    timestamp: Moment


class _SignalData(_Model):
    strategy_id: Text
    instrument_token: Token
    signal_type: Literal["BUY", "SELL", "HOLD"]
    quantity: Quantity
    price: Price | None = None
    timestamp: Moment
    metadata: dict[str, Any] | None = None


class _ValidatedData(_Model):
    original_signal: _SignalData
    validated_quantity: Quantity
    validated_price: Price | None = None
    timestamp: Moment


class SessionData(_Model):
    """The data of a `session_save`."""

    user_id: Text
    access_token: Annotated[str, StringConstraints(min_length=1, max_length=8192)]
    expires_at: Moment | None = None
    login_method: Literal["oauth", "external_token", "stored_session"] | None = None
    user_name: Note | None = None
    user_shortname: Note | None = None
    broker: Text | None = None
    email: Note | None = None
    ip_address: Note | None = None
    user_agent: Note | None = None


class _InvalidationData(_Model):
    user_id: Text
    reason: Note = "manual_invalidation"


_ANY = Envelope[dict[str, Any]]
_TICK = Envelope[_TickData]
_VALIDATED = Envelope[_ValidatedData]
_SAVE = Envelope[SessionData]
_INVALIDATION = Envelope[_InvalidationData]

Model = TypeVar("Model", bound=BaseModel)


def decode_signal(delivery: Delivery, broker: str) -> ExecuteSignal:
    """A message of `<broker>.signals.validated`.

    Raises:
        BadMessage: it cannot be handled.
    """
    envelope = _envelope(_VALIDATED, delivery.data, "validated_signal")
    if envelope.broker != broker:
        raise BadMessage(f"broker: the envelope's does not match the subject {delivery.subject}")
    data = envelope.data
    original = data.original_signal
    signal = Signal(
        signal_id=envelope.id,
        correlation_id=envelope.correlation_id,
        trace_id=envelope.trace_id,
        broker=broker,
        strategy_id=original.strategy_id,
        instrument_token=original.instrument_token,
        side=original.signal_type,
        quantity=data.validated_quantity,
        price=data.validated_price or original.price,
        order_type=_order_type(original.metadata),
        timestamp=data.timestamp.astimezone(UTC),
    )
    return ExecuteSignal(delivery, signal)


def _order_type(metadata: dict[str, Any] | None) -> str:
    order_type = (metadata or {}).get("order_type") or "market"
    if not isinstance(order_type, str) or len(order_type) > MAX_ORDER_TYPE:
        raise BadMessage(f"data.original_signal.metadata.order_type: not a text of at most {MAX_ORDER_TYPE} characters")
    return order_type


def decode_tick(data: bytes) -> Tick:
    """A message of `market.ticks`.

    Raises:
        BadMessage: it cannot be handled.
    """
    tick = _envelope(_TICK, data, "market_tick").data
    return Tick(tick.instrument_token, tick.last_price, tick.timestamp.astimezone(UTC))


def decode_session(delivery: Delivery) -> SaveSession | InvalidateSession:
    """A message of `auth.sessions.*`.

    Raises:
        BadMessage: it cannot be handled.
    """
    asked_at = first_stored_at(delivery)
    if delivery.subject == SESSION_SAVE:
        save = _envelope(_SAVE, delivery.data, "session_save")
        return save_session(save.id, save.correlation_id, save.data, asked_at, delivery)
    end = _envelope(_INVALIDATION, delivery.data, "session_invalidate")
    return InvalidateSession(end.id, end.data.user_id, end.data.reason, asked_at, delivery)


def decode_session_request(data: bytes, message_id: str, now: datetime) -> SaveSession:
    """A request on `panda.sessions.save`: an envelope, or the bare data of one.

    Raises:
        BadMessage: it cannot be handled.
    """
    fields = _object(data)
    if "data" in fields:
        envelope = _checked(_SAVE, fields, "session_save")
        return save_session(envelope.id, envelope.id, envelope.data, now, None)
    return save_session(message_id, message_id, _validate(SessionData, fields), now, None)


def save_session(
    message_id: str, correlation_id: str, data: SessionData, saved_at: datetime, delivery: Delivery | None
) -> SaveSession:
    """The command that a `session_save` stands for."""
    return SaveSession(
        message_id=message_id,
        user_id=data.user_id,
        access_token=data.access_token,
        saved_at=saved_at,
        correlation_id=correlation_id,
        expires_at=data.expires_at,
        login_method=data.login_method,
        user_name=data.user_name,
        user_shortname=data.user_shortname,
        broker=data.broker,
        email=data.email,
        ip_address=data.ip_address,
        user_agent=data.user_agent,
        delivery=delivery,
    )


def decode_envelope(data: bytes, kind: str) -> Envelope[dict[str, Any]]:
    """The envelope, of the given type, whatever its data.

    Raises:
        BadMessage: not JSON, too large, a missing or wrong field, a NUL character, or of another type.
    """
    return _envelope(_ANY, data, kind)


def _envelope(model: type[Envelope[Data]], data: bytes, kind: str) -> Envelope[Data]:
    return _checked(model, _object(data), kind)


def _checked(model: type[Envelope[Data]], fields: dict[str, Any], kind: str) -> Envelope[Data]:
    if fields.get("type") != kind:
        _validate(_ANY, fields)
        raise BadMessage(f"type: expected {kind}")
    return _validate(model, fields)


def message_id_of(data: bytes) -> str | None:
    """The envelope's id, if the bytes have a usable one."""
    try:
        identity = orjson.loads(data).get("id")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    usable = isinstance(identity, str) and 0 < len(identity) <= 64 and "\0" not in identity
    return identity if usable else None


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise BadMessage(f"larger than {MAX_BYTES} bytes")
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(parsed, dict):
        raise BadMessage("not a JSON object")
    if b"\\u0000" in data and _has_nul(parsed):
        raise BadMessage("contains a NUL character")
    return parsed


def _has_nul(parsed: dict[str, Any]) -> bool:
    """Whether a key or a string anywhere has a NUL; without recursion, as JSON nests deeper than Python calls."""
    waiting: list[Any] = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                return True
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


def _validate(model: type[Model], value: dict[str, Any]) -> Model:
    try:
        return model.__pydantic_validator__.validate_python(value)  # type: ignore[no-any-return]
    except ValidationError as error:
        problems = (
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise BadMessage("; ".join(problems)) from None
