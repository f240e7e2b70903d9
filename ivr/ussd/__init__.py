"""USSD: the flows of calls as screens over HTTP."""
