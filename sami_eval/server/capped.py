"""Bodies of replies, held to a size: a small one can unfold to more than the memory holds."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from sami_eval.server.wire import MalformedError

MOST_BYTES = 16 * 2**20  # decoded; the longest answers there are take some 2 MB
ENCODINGS = "gzip, deflate"  # what is asked for
_UNFOLD = {"gzip": zlib.MAX_WBITS | 32, "x-gzip": zlib.MAX_WBITS | 32, "deflate": zlib.MAX_WBITS}


async def cap(response: Any, most: int = MOST_BYTES) -> None:
    """Let a response of the HTTP library's be read up to so many bytes, decoded here.

    Reading on raises MalformedError. Its own decoders unfold what they get before it is counted.
    """
    coding = _coding(response.headers)
    if coding:
        del response.headers["content-encoding"]
    # The SDK comes with one HTTP library or another, which wants a stream of its own kind.
    kind = next(k for k in type(response.stream).__mro__ if k.__name__ == "AsyncByteStream")
    response.stream = type("Capped", (_Capped, kind), {})(response.stream, coding, most)


async def read(stream: AsyncIterable[bytes], headers: Mapping[str, str]) -> bytes:
    """All that a stream gives, decoded. Raises MalformedError."""
    return b"".join([part async for part in _Capped(stream, _coding(headers), MOST_BYTES)])


def _coding(headers: Mapping[str, str]) -> str:
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity", *_UNFOLD):
        raise MalformedError(f"the body is encoded as {coding!r}")
    return coding


class _Capped:
    def __init__(self, stream: Any, coding: str, most: int) -> None:
        self._stream, self._most = stream, most
        self._unfold = zlib.decompressobj(_UNFOLD[coding]) if coding in _UNFOLD else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        n_bytes = 0
        async for chunk in self._stream:
            part = self._decoded(chunk, self._most + 1 - n_bytes)
            n_bytes += len(part)
            if n_bytes > self._most:
                raise MalformedError(f"the body is larger than {self._most // 2**20} MB")
            yield part

    def _decoded(self, chunk: bytes, most: int) -> bytes:
        if self._unfold is None:
            return chunk
        try:
            return self._unfold.decompress(chunk, most)
        except zlib.error as error:
            raise MalformedError(f"the body cannot be decoded: {error}") from None

    async def aclose(self) -> None:
        """Close what is read from."""
        await self._stream.aclose()
