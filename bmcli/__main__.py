"""The console script `bm`, and `python -m bmcli`."""

from bmcli.cli import startup


def main() -> None:
    """Run the command line; what hastens imports comes before them."""
    startup.hasten()
    from bmcli.cli.app import main

    main()


if __name__ == "__main__":  # processes that are started for their work import this module under another name
    main()
