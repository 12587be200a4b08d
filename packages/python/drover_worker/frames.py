"""Frames of drover.v1 and their messages, as `drover.desc` beside this file defines them."""

import pkgutil
from typing import Any, Dict

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(pkgutil.get_data("drover_worker", "drover.desc") or b"").file:
    _pool.AddSerializedFile(_file.SerializeToString())


def message_type(name: str) -> Any:
    """The class of a message of drover.v1."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"drover.v1.{name}"))


def enum_values(name: str, prefix: str) -> Dict[str, int]:
    """The numbers of an enum of drover.v1, by their names without the prefix."""
    values = _pool.FindEnumTypeByName(f"drover.v1.{name}").values
    return {value.name[len(prefix) :]: value.number for value in values}


ERROR_CODES = enum_values("ErrorCode", "ERROR_CODE_")
"""Scope: who gets a message."""
APP, WORKER, SLOT, ALL, SUBSCRIBERS = range(1, 6)

MAX_FRAME_BYTES = 1_114_112  # before Welcome tells it


class BusError(Exception):
    """What could not be done. `code` is a name of ErrorCode in types.proto, without its prefix: "DEADLINE"."""

    def __init__(self, code: str, message: str = ""):
        super().__init__(message or code)
        self.code = code


class NotAFrame(Exception):
    """What came is of no use, and neither is what follows."""


def error_of(error: Any) -> BusError:
    """The message Error as an exception."""
    code = next((name for name, number in ERROR_CODES.items() if number == error.code), "UNSPECIFIED")
    return BusError(code, error.message)


def encode(message: Any) -> bytes:
    """A frame as bytes: the length, then the message."""
    data: bytes = message.SerializeToString()
    return len(data).to_bytes(4, "big") + data


def body_length(header: bytes, limit: int) -> int:
    """What the first four bytes of a frame say."""
    length = int.from_bytes(header, "big")
    if length > limit:
        raise NotAFrame(f"not a frame, or one of more than {limit} bytes: {length}")
    return length


def decode(type_: Any, data: bytes) -> Any:
    """The message of this type in the body of a frame."""
    try:
        return type_.FromString(data)
    except DecodeError as error:
        raise NotAFrame(f"not a message: {error}") from error
