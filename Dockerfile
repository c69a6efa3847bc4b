# sami-eval in a container. On a CPU, or with DEVICE=cuda on an NVIDIA GPU, vLLM included:
#   docker build -t sami-eval .
#   docker build -t sami-eval:cuda --build-arg DEVICE=cuda .
#   docker run --rm -v "$PWD:/data" -e OPENAI_API_KEY sami-eval compare out/sami out/dpo ...
#   docker run --rm --gpus all -v "$PWD:/data" sami-eval:cuda ...
ARG PYTHON=3.11
FROM python:${PYTHON}-slim
ARG DEVICE=cpu
# A C compiler: Triton, which vLLM brings, compiles kernels when they are first used.
RUN if [ "$DEVICE" = cuda ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
        && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src/sami-eval
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sami_eval sami_eval
COPY constitutions constitutions
COPY judges judges
COPY prompts prompts
COPY tasks tasks
# PyPI's torch is CUDA's and brings gigabytes of it; PyTorch's own index has one for CPUs. With vLLM
# nothing is pinned: it names a torch of its own.
RUN if [ "$DEVICE" = cpu ]; then \
        pip install --no-cache-dir -c constraints.txt --index-url https://download.pytorch.org/whl/cpu torch \
        && pip install --no-cache-dir -c constraints.txt .; \
    else \
        pip install --no-cache-dir ".[vllm]"; \
    fi \
    && sami-eval tasks install --quiet
ENV HF_HUB_DISABLE_TELEMETRY=1 HF_HOME=/data/.cache/huggingface
# Everything that is read and written: runs/, adapters/, .sami-eval/.
WORKDIR /data
ENTRYPOINT ["sami-eval"]
CMD ["--help"]
