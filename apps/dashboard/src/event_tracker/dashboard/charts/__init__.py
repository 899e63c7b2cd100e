"""The parts of pages: charts, tables, numbers."""
