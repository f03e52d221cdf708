"""The page a study leaves behind: what its records say, as tables, figures and sentences."""

from studies.report.build import load_records, write_report

__all__ = ["load_records", "write_report"]
