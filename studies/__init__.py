"""Everything a person runs: data sets, the training loop, studies, records and reports.

``python -m studies`` lists the studies.
"""
