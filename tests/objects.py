"""An S3-compatible object store for tests."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event

import pytest

__all__ = ["s3"]


@pytest.fixture(scope="module")
def s3(
    tmp_path_factory: pytest.TempPathFactory, stop: Callable[["subprocess.Popen[bytes]"], None]
) -> Iterator[str]:
    """A server of one; the URL of a folder of runs in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-c", "from moto.server import main; main()"]
    with log.open("wb") as output, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = subprocess.Popen(
            [*command, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
        try:
            _wait_for(port)
            from pyarrow.fs import S3FileSystem  # noqa: PLC0415 # with the keys

            place = f"127.0.0.1:{port}"
            S3FileSystem(
                region="us-east-1",
                scheme="http",
                endpoint_override=place,
                allow_bucket_creation=True,
            ).create_dir("arena")
            yield f"s3://arena/runs?region=us-east-1&scheme=http&endpoint_override={place}"
        finally:
            stop(server)


def _wait_for(port: int) -> None:
    never = Event()
    for _ in range(600):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            never.wait(0.1)
    pytest.fail("the S3 server does not answer")
