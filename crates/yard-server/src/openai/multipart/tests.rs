use futures_util::stream;

use super::*;

fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
    headers
}

/// All parts of a form that comes in pieces of so many bytes.
async fn read(text: &str, pieces: usize) -> Result<Vec<(PartHead, String)>, io::Error> {
    let pieces: Vec<Result<Bytes, io::Error>> =
        text.as_bytes().chunks(pieces).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let headers = headers("multipart/form-data; boundary=XYZ");
    let mut form = Multipart::new(&headers, Box::pin(stream::iter(pieces))).unwrap();
    let mut parts = Vec::new();
    while let Some(head) = form.next_part().await? {
        let text = form.text(1_000).await?;
        parts.push((head, text));
    }
    Ok(parts)
}

fn head(name: &str, file_name: Option<&str>) -> PartHead {
    PartHead { name: name.to_owned(), file_name: file_name.map(str::to_owned) }
}

const FORM: &str = "--XYZ\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
    --XYZ\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".jsonl\"\r\n\
    Content-Type: application/octet-stream\r\n\r\nline\r\n--XY\r\nno end\r\n\r\n--XYZ--\r\n";

#[tokio::test]
async fn however_a_form_is_cut_its_parts_are_the_same() {
    let expected = [
        (head("purpose", None), "batch".to_owned()),
        (head("file", Some("a \"b\".jsonl")), "line\r\n--XY\r\nno end\r\n".to_owned()),
    ];
    for pieces in 1..=FORM.len() {
        assert_eq!(read(FORM, pieces).await.unwrap(), expected, "{pieces}");
        assert_eq!(
            read(&format!("a preamble\r\n{FORM}an epilogue"), pieces).await.unwrap(),
            expected,
            "{pieces}"
        );
    }
    assert!(read("--XYZ--", 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    for text in [
        "",
        "--XYZ",
        "no delimiter",
        "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end",
        "--XYZ\r\nContent-Type: text/plain\r\n\r\nno name\r\n--XYZ--",
        "--XYZ\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--XYZ--",
    ] {
        assert!(read(text, 5).await.is_err(), "{text}");
    }
    let long = format!("--XYZ\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", "a".repeat(9_000));
    assert!(read(&long, 100).await.is_err());
    let preamble = format!("{}\r\n{FORM}", "a".repeat(100_000));
    assert!(read(&preamble, 1_000).await.is_err());
    let many = "--XYZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(40);
    assert!(read(&many, 1_000).await.is_err());
}

#[test]
fn boundaries_come_with_or_without_quotes() {
    let named = |text: &str| boundary(&headers(text));
    assert_eq!(named("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
    assert_eq!(named("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
    assert_eq!(named("multipart/form-data"), None);
    assert_eq!(named("multipart/form-data; boundary="), None);
    assert_eq!(named("application/json; boundary=abc"), None);
    assert_eq!(named(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
}
