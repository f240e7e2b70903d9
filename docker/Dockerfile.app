# Everything but Asterisk: `ivr serve`, `ivr sandbox`, `ivr render`, `ivr prompts build`.
# Build from the top of the checkout: docker build -f docker/Dockerfile.app .
FROM python:3.11-slim-bookworm

# The same number as in Dockerfile.asterisk.
ARG UID=1000

# espeak-ng and sox make the prompts that no person has recorded; graphviz draws flows (ivr graph --format svg);
# ca-certificates holds the authorities that providers' TLS is checked by.
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        ca-certificates espeak-ng graphviz sox \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid "$UID" --no-create-home --shell /usr/sbin/nologin ivr \
    && install -d -o ivr -g ivr -m 0750 /etc/asterisk /srv/ivr/var /srv/ivr/recordings

WORKDIR /srv/ivr
COPY pyproject.toml ./
COPY ivr ivr
RUN pip install --no-cache-dir . && rm -rf build ./*.egg-info
COPY dialplan dialplan
COPY prompts prompts
COPY docker/merchant.yaml docker/bank.yaml docker/
COPY config config

USER ivr
ENV IVR_CONFIG=/srv/ivr/config/ivr.yaml
ENTRYPOINT ["ivr"]
CMD ["serve"]
STOPSIGNAL SIGTERM
