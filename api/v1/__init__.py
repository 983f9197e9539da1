"""v1's REST contract at v1's routes and in its letter case, for callers that were written for Azure ML.

Data Factory, Azure DevOps, ERP systems and scripts hold these addresses and this JSON; only the host is another one.
Source   reference section 15
"""
