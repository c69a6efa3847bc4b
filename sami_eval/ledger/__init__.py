"""What is kept: the ledger of everything expensive, its leases, and what a full disk left over.

Layer 1: imports core; generation and all above may import it.
"""
