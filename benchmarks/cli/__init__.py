"""The command line: ``commands`` finds the subcommand, ``questions`` and ``products`` declare them."""
