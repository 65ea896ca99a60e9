//! The lines of output and error files.

use serde_json::{json, value::RawValue};

use crate::{BatchId, BatchStatus, LineRecord};

/// The line of a file for a line that has an answer.
pub(crate) fn answered(batch: &BatchId, record: &LineRecord) -> Vec<u8> {
    // Bodies are JSON that the server wrote; one that is none is passed on as a text rather than lost.
    let body = RawValue::from_string(record.body.clone())
        .map_or_else(|_| json!(record.body).to_string(), |body| body.get().replace(['\n', '\r'], " "));
    format!(
        "{{\"id\":{},\"custom_id\":{},\"response\":{{\"status_code\":{},\"request_id\":{},\"body\":{}}},\"error\":null}}\n",
        name(batch, record.line),
        json!(record.custom_id),
        record.status,
        json!(record.request_id),
        body
    )
    .into_bytes()
}

/// The line of an error file for a line that was not done when its batch ended so.
pub(crate) fn not_done(batch: &BatchId, line: u32, custom_id: &str, end: BatchStatus) -> Vec<u8> {
    let (code, message) = match end {
        BatchStatus::Cancelled => {
            ("batch_cancelled", "The batch was cancelled before this request had been answered.")
        }
        _ => ("batch_expired", "This request could not be answered before the completion window expired."),
    };
    format!(
        "{{\"id\":{},\"custom_id\":{},\"response\":null,\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\"}}}}\n",
        name(batch, line),
        json!(custom_id),
    )
    .into_bytes()
}

fn name(batch: &BatchId, line: u32) -> String {
    format!("\"batch_req_{}_{line}\"", batch.digits())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_line_is_one_json_document() {
        let batch: BatchId = "batch_0123456789abcdef01234567".parse().unwrap();
        let mut record = LineRecord {
            line: 3,
            custom_id: "a \"b\"\n".to_owned(),
            status: 200,
            request_id: "r".to_owned(),
            body: "{\"x\":\n 1}".to_owned(),
        };
        let written = answered(&batch, &record);
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(read["custom_id"], "a \"b\"\n");
        assert_eq!(read["response"]["body"]["x"], 1);
        assert_eq!(read["response"]["status_code"], 200);
        assert!(read["error"].is_null());
        record.body = "no json".to_owned();
        let read: Value = serde_json::from_slice(&answered(&batch, &record)).unwrap();
        assert_eq!(read["response"]["body"], "no json");
        let read: Value = serde_json::from_slice(&not_done(&batch, 4, "é", BatchStatus::Expired)).unwrap();
        assert_eq!((&read["custom_id"], &read["error"]["code"]), (&"é".into(), &"batch_expired".into()));
        assert_eq!(read["id"], "batch_req_0123456789abcdef01234567_4");
        let read: Value = serde_json::from_slice(&not_done(&batch, 4, "é", BatchStatus::Cancelled)).unwrap();
        assert_eq!(read["error"]["code"], "batch_cancelled");
    }
}
