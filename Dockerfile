# syntax=docker/dockerfile:1
#
# The book in a container, without and with CUDA:
#
#   docker build --target cpu -t flat-minima .
#   docker run --rm -v "$PWD/_build:/book/_build" flat-minima make book
#
#   docker build --target cuda -t flat-minima:cuda .
#   docker run --rm --gpus all flat-minima:cuda make paper DEVICE=cuda
#
# CUDA comes inside torch's own packages; the host needs NVIDIA's driver and container toolkit.

FROM python:3.11-slim-bookworm AS base
# make runs everything, git tells the pages which commit made them, chromium tests them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 reader \
    && install -d -o reader -g reader /book
USER 1000:1000
WORKDIR /book
# The packages change seldom: their layer is built from these two files alone.
COPY --chown=1000:1000 Makefile requirements.txt ./
ENV PIP_NO_CACHE_DIR=1

FROM base AS cuda
RUN make packages
COPY --chown=1000:1000 . .
RUN make env data
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["make", "book"]

FROM base AS cpu
ENV TORCH=cpu
RUN make packages
COPY --chown=1000:1000 . .
RUN make env data
CMD ["make", "book"]
