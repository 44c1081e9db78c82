"""`python -m bmcli` is `bm`."""

from bmcli.cli.app import main

if __name__ == "__main__":  # processes that are started for their work import this module under another name
    main()
