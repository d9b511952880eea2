"""Names and images of the workloads that generated traces are made of."""

from typing import NamedTuple

__all__ = ["BIG", "DEPLOYMENTS", "NAMESPACES", "SIDECARS", "SMALL", "STATEFUL_SETS", "Image"]


class Image(NamedTuple):
    """What a container is: its usual name, its image, and the port that it serves, 0 for none."""

    name: str
    image: str
    port: int


NAMESPACES = ("shop", "payments", "media", "analytics", "search", "identity", "logistics")

DEPLOYMENTS = (
    Image("checkout", "ghcr.io/acme/checkout:3.14.1", 8080),
    Image("cart", "ghcr.io/acme/cart:2.7.0", 7070),
    Image("catalog-api", "ghcr.io/acme/catalog-api:5.2.3", 8080),
    Image("frontend", "ghcr.io/acme/frontend:2024.11.2", 3000),
    Image("payment-gateway", "ghcr.io/acme/payment-gateway:1.19.4", 8443),
    Image("search-api", "ghcr.io/acme/search-api:0.42.0", 9200),
    Image("recommender", "ghcr.io/acme/recommender:1.3.0", 8501),
    Image("inventory", "ghcr.io/acme/inventory:4.0.8", 8080),
    Image("user-profile", "ghcr.io/acme/user-profile:2.1.5", 8080),
    Image("video-transcoder", "ghcr.io/acme/video-transcoder:6.0.1", 8090),
    Image("image-resizer", "ghcr.io/acme/image-resizer:1.8.2", 8090),
    Image("report-builder", "ghcr.io/acme/report-builder:0.9.13", 8081),
    Image("fraud-detector", "ghcr.io/acme/fraud-detector:2.5.0", 8500),
    Image("order-router", "ghcr.io/acme/order-router:3.3.3", 8080),
    Image("pricing-engine", "ghcr.io/acme/pricing-engine:7.1.0", 8080),
    Image("token-service", "ghcr.io/acme/token-service:1.0.27", 8443),
)

STATEFUL_SETS = (
    Image("postgres", "docker.io/library/postgres:16.4", 5432),
    Image("redis", "docker.io/library/redis:7.4.1", 6379),
    Image("rabbitmq", "docker.io/library/rabbitmq:3.13.7", 5672),
    Image("opensearch", "docker.io/opensearchproject/opensearch:2.17.1", 9200),
    Image("cassandra", "docker.io/library/cassandra:4.1.7", 9042),
    Image("minio", "quay.io/minio/minio:RELEASE.2024-10-13T13-34-11Z", 9000),
)

SMALL = (
    Image("docs-site", "docker.io/library/nginx:1.27.2", 80),
    Image("grafana", "docker.io/grafana/grafana:11.3.0", 3000),
    Image(
        "kube-state-metrics", "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.14.0", 80
    ),
    Image("mailer", "ghcr.io/acme/mailer:1.2.9", 8025),
    Image("memcached", "docker.io/library/memcached:1.6.32", 11211),
    Image("oauth2-proxy", "quay.io/oauth2-proxy/oauth2-proxy:v7.7.1", 4180),
    Image("feature-flags", "ghcr.io/acme/feature-flags:0.11.0", 8080),
    Image("webhook-relay", "ghcr.io/acme/webhook-relay:2.0.4", 8080),
)

BIG = (
    Image("batch-worker", "ghcr.io/acme/batch-worker:4.4.0", 0),
    Image("model-server", "docker.io/tensorflow/serving:2.17.0", 8501),
    Image("spark-executor", "docker.io/apache/spark:3.5.3", 0),
    Image("trino-worker", "docker.io/trinodb/trino:461", 8080),
    Image("clickhouse", "docker.io/clickhouse/clickhouse-server:24.8", 8123),
)

SIDECARS = (
    Image("istio-proxy", "docker.io/istio/proxyv2:1.23.3", 15090),
    Image("fluent-bit", "cr.fluentbit.io/fluent/fluent-bit:3.1.9", 2020),
    Image("cloud-sql-proxy", "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.13.0", 9090),
    Image("otel-collector", "docker.io/otel/opentelemetry-collector:0.112.0", 4318),
    Image("vault-agent", "docker.io/hashicorp/vault:1.18.0", 8100),
)
