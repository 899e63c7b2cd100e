"""What pages show: charts, tables, numbers."""
