"""The report of a run or a sweep: what came of it, for people.

found = open_result("runs/latest")
document = report(found, measure(found), episode=[])
page(document)       # one HTML page, which needs nothing else
markdown(document)   # the same for a pull request
"""

from results.report.build import report
from results.report.document import Document
from results.report.html import page
from results.report.markdown import markdown
from results.report.measures import Measures, measure

__all__ = ["Document", "Measures", "markdown", "measure", "page", "report"]
