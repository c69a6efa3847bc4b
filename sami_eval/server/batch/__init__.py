"""Requests in batch jobs: handed in as one file, answered within a day, at half the price.

job      a vendor's batch, written down in the ledger before it is sent (ledger/jobs.py)
vendor   how one vendor takes jobs in and gives rows back: files.py, gemini.py, messages.py, and
         run_batch.py, where a person runs the file
asking   requests -> jobs -> rows -> replies

Only asking.py is called from outside, by the client.
"""
