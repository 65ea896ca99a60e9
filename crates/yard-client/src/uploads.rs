//! The steps of an upload, one call each. [`Client::push`](crate::Client::push) takes them all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::{
    Body, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio_util::io::ReaderStream;
use yard_api::management::{CommitReply, CommitRequest, FileBody, NewUpload, UploadBody};
use yard_types::{Digest, PackagePath};

use crate::{Client, ClientError, LocalFile, Progress, ProgressSink, TransferStep};

/// Bytes read from disk at once.
const CHUNK: usize = 128 * 1024;

/// How far the files before this one have brought the transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offset {
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// What files are sent to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// The upload of a version of a model.
    Model(&'a str),
    /// The upload of a version of a data set.
    DataSet(&'a str),
}

impl Client {
    /// Begins an upload.
    pub async fn create_upload(&self, upload: &NewUpload) -> Result<UploadBody, ClientError> {
        self.send_json(Method::POST, self.url(["api", "v1", "uploads"]), upload).await
    }

    /// Sends one file of an upload from memory.
    pub async fn put_upload_bytes(
        &self,
        upload: &str,
        path: &PackagePath,
        digest: Digest,
        content: Bytes,
    ) -> Result<FileBody, ClientError> {
        let size = content.len() as u64;
        self.put_file(Destination::Model(upload), path, digest, size, content.into()).await
    }

    /// Streams one file from disk. Fails when nothing could be sent for the idle time.
    pub(crate) async fn send_file(
        &self,
        destination: Destination<'_>,
        file: &LocalFile,
        digest: Digest,
        offset: Offset,
        progress: &ProgressSink,
    ) -> Result<FileBody, ClientError> {
        let content = tokio::fs::File::open(&file.location).await;
        let content = content.map_err(|error| ClientError::file("read", &file.location, error))?;
        let sent = Arc::new(AtomicU64::new(0));
        let stream = counted(content, file.path.clone(), Arc::clone(&sent), offset, progress.clone());
        let sending = self.put_file(destination, &file.path, digest, file.size, Body::wrap_stream(stream));
        tokio::select! {
            answer = sending => answer,
            () = stand_still(&sent, self.options().idle_timeout) => Err(self.timed_out()),
        }
    }

    async fn put_file(
        &self,
        destination: Destination<'_>,
        path: &PackagePath,
        digest: Digest,
        size: u64,
        body: Body,
    ) -> Result<FileBody, ClientError> {
        let (kind, upload) = match destination {
            Destination::Model(upload) => ("uploads", upload),
            Destination::DataSet(upload) => ("dataset-uploads", upload),
        };
        let segments = ["api", "v1", kind, upload, "files"];
        let url = self.url(segments.into_iter().chain(path.as_str().split('/')));
        let request = self
            .request(Method::PUT, url)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size)
            .header("x-content-sha256", digest.to_string())
            .body(body);
        self.json_answer(request).await
    }

    /// Has an upload proven and made a version; returns when it is ready, or says why it is refused.
    pub async fn commit_upload(
        &self,
        upload: &str,
        request: &CommitRequest,
    ) -> Result<CommitReply, ClientError> {
        let url = self.url(["api", "v1", "uploads", upload, "commit"]);
        let request = self.json_request(Method::POST, url, request)?;
        self.json_answer(request.timeout(self.options().commit_timeout)).await
    }

    /// Where an upload stands.
    pub async fn upload(&self, upload: &str) -> Result<UploadBody, ClientError> {
        self.get_json(self.url(["api", "v1", "uploads", upload])).await
    }

    /// Gives up an upload and what was sent of it.
    pub async fn delete_upload(&self, upload: &str) -> Result<(), ClientError> {
        self.done(self.request(Method::DELETE, self.url(["api", "v1", "uploads", upload]))).await
    }
}

fn counted(
    content: tokio::fs::File,
    path: PackagePath,
    sent: Arc<AtomicU64>,
    offset: Offset,
    progress: ProgressSink,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    ReaderStream::with_capacity(content, CHUNK).inspect(move |chunk| {
        let Ok(chunk) = chunk else { return };
        let before = sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        progress.report(Progress {
            step: TransferStep::Send,
            path: Some(&path),
            done: offset.done + before + chunk.len() as u64,
            total: offset.total,
        });
    })
}

/// Ends when the count has not grown for a whole interval.
async fn stand_still(count: &AtomicU64, interval: Duration) {
    let mut last = count.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(interval).await;
        let now = count.load(Ordering::Relaxed);
        if now == last {
            return;
        }
        last = now;
    }
}
