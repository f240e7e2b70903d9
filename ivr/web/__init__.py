"""What is served over HTTP: health, metrics; later the merchant API."""
