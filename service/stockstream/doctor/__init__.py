"""`stockstream doctor`: is everything there that the service needs, and if not, what to do."""

from stockstream.doctor.findings import Finding, Status, has_problem, render_json, render_text
from stockstream.doctor.run import examine

__all__ = ["Finding", "Status", "examine", "has_problem", "render_json", "render_text"]
