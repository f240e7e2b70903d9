"""Asterisk's manager interface (AMI): what ARI does not show (transfers, queues, device states, recordings of calls).

Law: nothing here is trusted with a keyed digit: neither Asterisk's account nor our list of events has any.
"""
