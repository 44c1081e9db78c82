"""Which arithmetic is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from bmcli.training.precision import cpu_has_bfloat16, resolve


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu amx_bf16 sse", True), ("avx512_bf16", True), ("avx512f avx512_bf16x", False), ("sse", False)],
)
def test_processor_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags\t\t: {flags}\n")
    assert cpu_has_bfloat16(cpuinfo) is expected


def test_unknown_machine_means_float32(tmp_path: Path) -> None:
    assert cpu_has_bfloat16(tmp_path / "missing") is False


def test_what_is_said_is_taken() -> None:
    assert resolve("float32", gpu=False) == "float32"
    assert resolve("bfloat16", gpu=False) == "bfloat16"
