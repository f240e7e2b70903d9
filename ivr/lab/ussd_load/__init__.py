"""USSD sessions in great number, against real workers that die."""
