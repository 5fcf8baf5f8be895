# A CPU image of the command:
#   docker build -t optuna-popnas .
#   docker run --rm -v "$PWD:/work" optuna-popnas search photos/ --hours 2
FROM python:3.12-slim

COPY . /source
RUN pip install --no-cache-dir -r /source/constraints.txt --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir "/source[dashboard,export,workers]" \
    && rm -rf /source

WORKDIR /work
ENTRYPOINT ["optuna-popnas"]
CMD ["--help"]
