"""Pay by phone and by USSD for Iranian merchants, on Asterisk."""
