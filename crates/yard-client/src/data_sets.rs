//! Data sets.

use std::sync::Arc;

use reqwest::Method;
use yard_api::management::{
    CommitDataSetBody, CommitDataSetReply, DataSetBody, DataSetDraftBody, DataSetList, NewDataSetBody,
};
use yard_types::{Digest, ModelName, VersionNumber};

use crate::{
    Client, ClientError, LocalPackage, ProgressSink,
    uploads::{Destination, Offset},
};

impl Client {
    /// The newest version of every data set that the key may see.
    pub async fn data_sets(&self) -> Result<Vec<DataSetBody>, ClientError> {
        let list: DataSetList = self.get_json(self.url(["api", "v1", "datasets"])).await?;
        Ok(list.data_sets)
    }

    /// All versions of a data set, by number.
    pub async fn data_set_versions(&self, name: &ModelName) -> Result<Vec<DataSetBody>, ClientError> {
        let url = self.url(["api", "v1", "datasets", name.as_str(), "versions"]);
        let list: DataSetList = self.get_json(url).await?;
        Ok(list.data_sets)
    }

    /// One version of a data set, or the newest.
    pub async fn data_set(
        &self,
        name: &ModelName,
        version: Option<VersionNumber>,
    ) -> Result<DataSetBody, ClientError> {
        let version = version.map_or_else(|| "latest".to_owned(), |version| version.to_string());
        self.get_json(self.url(["api", "v1", "datasets", name.as_str(), "versions", &version])).await
    }

    /// Deletes a version of a data set that no job reads.
    pub async fn remove_data_set(&self, name: &ModelName, version: VersionNumber) -> Result<(), ClientError> {
        let version = version.to_string();
        let url = self.url(["api", "v1", "datasets", name.as_str(), "versions", &version]);
        self.done(self.request(Method::DELETE, url)).await
    }

    /// Sends files and makes them the next version of a data set. `description` says what is known of them.
    ///
    /// When `stop` ends first or the server refuses them, the upload is given up; `None` is returned when it was `stop`.
    pub async fn add_data_set_until(
        &self,
        name: &ModelName,
        files: LocalPackage,
        description: &CommitDataSetBody,
        progress: &ProgressSink,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<CommitDataSetReply>, ClientError> {
        let mut stop = std::pin::pin!(stop);
        let files = Arc::new(files);
        let digests = tokio::select! {
            digests = self.hash(&files, progress) => digests?,
            () = &mut stop => return Ok(None),
        };
        let new = NewDataSetBody { name: name.as_str().to_owned() };
        let url = self.url(["api", "v1", "dataset-uploads"]);
        let draft: DataSetDraftBody = self.send_json(Method::POST, url, &new).await?;
        let added = tokio::select! {
            added = self.send_data_set(&draft.id, &files, &digests, description, progress) => added.map(Some),
            () = &mut stop => Ok(None),
        };
        if !matches!(added, Ok(Some(_))) {
            let url = self.url(["api", "v1", "dataset-uploads", &draft.id]);
            // The first failure is the one worth telling; the server forgets the upload in time anyway.
            drop(self.done(self.request(Method::DELETE, url)).await);
        }
        added
    }

    async fn send_data_set(
        &self,
        upload: &str,
        files: &LocalPackage,
        digests: &[Digest],
        description: &CommitDataSetBody,
        progress: &ProgressSink,
    ) -> Result<CommitDataSetReply, ClientError> {
        let total = files.size();
        let mut done = 0;
        for (file, digest) in files.files().iter().zip(digests) {
            let offset = Offset { done, total };
            self.send_file(Destination::DataSet(upload), file, *digest, offset, progress).await?;
            done += file.size;
        }
        let url = self.url(["api", "v1", "dataset-uploads", upload, "commit"]);
        self.send_json(Method::POST, url, description).await
    }
}
