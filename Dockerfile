# docker build -t dmtest . && docker run --rm -v "$PWD:/data" dmtest report z.npy
FROM python:3.12-slim

COPY pyproject.toml README.md LICENSE constraints.txt /src/
COPY dmtest /src/dmtest
RUN pip install --no-cache-dir -c /src/constraints.txt "/src[files]" && rm -rf /src

# A user without rights; its home holds numba's and dmtest's caches.
RUN useradd --create-home dmtest
ENV NUMBA_CACHE_DIR=/home/dmtest/numba DMTEST_CACHE_DIR=/home/dmtest/nulls
USER dmtest
RUN dmtest demo --html /dev/null > /dev/null
VOLUME /home/dmtest/nulls

WORKDIR /data
ENTRYPOINT ["dmtest"]
CMD ["--help"]
