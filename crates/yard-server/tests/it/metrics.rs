//! What scrapers read.

use std::collections::HashSet;

use crate::harness::TestServer;

#[tokio::test]
async fn every_series_and_every_family_stands_once() {
    let server = TestServer::start().await;
    // One endpoint by the routes it has.
    for path in ["/v1/models", "/openai/v1/models", "/v2", "/v2/models/valve", "/nowhere"] {
        server.get(path).await;
    }
    let text = server.get("/metrics").await.expect(200).text();
    let (mut series, mut families) = (HashSet::new(), HashSet::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(family.to_owned()), "twice: {line}");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(name.to_owned()), "twice: {line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(
        series.contains("modelyard_requests_total{endpoint=\"list_open_ai_models\",status=\"200\"}"),
        "{text}"
    );
}
