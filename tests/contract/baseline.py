"""`make proto-baseline`: declares today's contracts to be what callers may rely on from now on."""

from contract.descriptors import BASELINE, build_descriptors


def main() -> None:
    """Writes the baseline without comments, so that only what callers see makes a difference."""
    protos = build_descriptors()
    for file in protos.file:
        file.ClearField("source_code_info")
    BASELINE.write_bytes(protos.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
