"""What every room needs: stored files, intervals, tables and progress on a terminal, child processes, extras."""
