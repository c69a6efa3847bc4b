"""What is kept: the ledger of everything expensive, its leases, and run folders.

Layer 1: imports core; generation and all above may import it.
"""
