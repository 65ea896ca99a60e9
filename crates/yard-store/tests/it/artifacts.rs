//! The artifact store, over the local file system and over an object store in memory.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use object_store::memory::InMemory;
use tempfile::TempDir;
use yard_registry::{
    ArtifactError, ArtifactStore, ByteStream, StoredArtifact,
    testing::{bytes, collect},
};
use yard_store::ObjectArtifacts;
use yard_types::Digest;

/// SHA-256 of `hello`, as published everywhere.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

struct Both {
    directory: TempDir,
    stores: [Arc<dyn ArtifactStore>; 2],
}

fn both() -> Both {
    let directory = tempfile::tempdir().unwrap();
    let local = ObjectArtifacts::local(&directory.path().join("artifacts")).unwrap();
    let memory = ObjectArtifacts::new(Arc::new(InMemory::new()));
    Both { directory, stores: [Arc::new(local), Arc::new(memory)] }
}

/// A stream of `size` bytes in pieces of 1 MiB; no two pieces are alike.
fn large(size: usize) -> ByteStream {
    let pieces = size.div_ceil(1 << 20);
    Box::pin(stream::iter((0..pieces).map(move |piece| {
        let length = (size - (piece << 20)).min(1 << 20);
        Ok(Bytes::from(vec![piece as u8; length]))
    })))
}

fn names_below(directory: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn content_is_found_by_its_digest() {
    let both = both();
    for store in &both.stores {
        let artifact = store.put(bytes("hello"), 5, None).await.unwrap();
        assert_eq!(artifact, StoredArtifact { digest: HELLO.parse().unwrap(), size: 5 });
        let again = store.put(bytes("hello"), 5, Some(artifact.digest)).await.unwrap();
        assert_eq!(again, artifact);
        assert_eq!(store.list().await.unwrap(), [artifact], "kept once");
        assert!(store.contains(&artifact.digest).await.unwrap());
        let (size, content) = store.read(&artifact.digest).await.unwrap();
        assert_eq!((size, collect(content).await.unwrap()), (5, b"hello".to_vec()));
        store.delete(&artifact.digest).await.unwrap();
        store.delete(&artifact.digest).await.unwrap();
        assert!(!store.contains(&artifact.digest).await.unwrap());
        assert!(matches!(store.read(&artifact.digest).await, Err(ArtifactError::Missing(_))));
        assert_eq!(store.list().await.unwrap(), []);
    }
    let fan_out = both.directory.path().join("artifacts/blobs/sha256/2c");
    assert!(fan_out.is_dir(), "blobs lie in folders by the first two digits");
}

#[tokio::test]
async fn nothing_at_all_is_content_too() {
    for store in &both().stores {
        let artifact = store.put(bytes(""), 0, None).await.unwrap();
        assert_eq!(artifact.size, 0);
        let (size, content) = store.read(&artifact.digest).await.unwrap();
        assert_eq!((size, collect(content).await.unwrap().len()), (0, 0));
    }
}

#[tokio::test]
async fn content_of_many_parts_is_the_same_in_every_store() {
    // Two whole parts and a bit; and exactly two parts, where no last one is left.
    for size in [(17 << 20) + 3, 16 << 20] {
        let both = both();
        let mut digests = Vec::new();
        for store in &both.stores {
            let artifact = store.put(large(size), u64::MAX, None).await.unwrap();
            assert_eq!(artifact.size, size as u64);
            let (told, content) = store.read(&artifact.digest).await.unwrap();
            assert_eq!(told, size as u64);
            let content = collect(content).await.unwrap();
            assert!(content == collect(large(size)).await.unwrap(), "content differs");
            digests.push(artifact.digest);
        }
        assert_eq!(digests[0], digests[1]);
    }
}

#[tokio::test]
async fn what_is_too_large_broken_off_or_false_leaves_nothing() {
    let both = both();
    let other: Digest = "0".repeat(64).parse().unwrap();
    for store in &both.stores {
        let too_large = store.put(bytes("hello"), 4, None).await;
        assert!(matches!(too_large, Err(ArtifactError::TooLarge { limit: 4 })));
        let too_large = store.put(large(20 << 20), 18 << 20, None).await;
        assert!(matches!(too_large, Err(ArtifactError::TooLarge { .. })));
        let false_digest = store.put(bytes("hello"), 9, Some(other)).await;
        assert!(matches!(
            false_digest,
            Err(ArtifactError::DigestMismatch { expected, got }) if expected == other && got.to_string() == HELLO
        ));
        let broken: ByteStream = Box::pin(stream::iter([
            Ok(Bytes::from(vec![1; 9 << 20])),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ]));
        assert!(matches!(store.put(broken, u64::MAX, None).await, Err(ArtifactError::Interrupted(_))));
        assert_eq!(store.list().await.unwrap(), []);
    }
    let left = names_below(&both.directory.path().join("artifacts/tmp"));
    assert_eq!(left, [""; 0], "temporary files are gone");
}

#[tokio::test]
async fn staged_content_cannot_be_seen_until_it_is_published() {
    for store in &both().stores {
        let staged = store.stage(bytes("hello"), 9, None).await.unwrap();
        let digest = staged.artifact().digest;
        assert!(!store.contains(&digest).await.unwrap());
        assert_eq!(store.sweep_temporary().await.unwrap(), 0, "it is being written");
        staged.publish().await.unwrap();
        assert!(store.contains(&digest).await.unwrap());
    }
}

#[tokio::test]
async fn left_overs_of_another_process_are_swept_and_ours_are_not() {
    let both = both();
    let temporary = both.directory.path().join("artifacts/tmp");
    fs_err::write(temporary.join("deadbeef"), "half").unwrap();
    // How object_store names what it has not finished.
    fs_err::write(temporary.join("deadbeef2#1"), "half").unwrap();
    let [local, _] = &both.stores;
    let staged = local.stage(bytes("hello"), 9, None).await.unwrap();
    assert_eq!(local.sweep_temporary().await.unwrap(), 2);
    assert_eq!(names_below(&temporary).len(), 1);
    staged.publish().await.unwrap();
    assert_eq!(names_below(&temporary), [""; 0]);
}

#[tokio::test]
async fn a_package_appears_whole_or_not_at_all() {
    let both = both();
    for (index, store) in both.stores.iter().enumerate() {
        let hello = store.put(bytes("hello"), 9, None).await.unwrap().digest;
        let world = store.put(bytes("world"), 9, None).await.unwrap().digest;
        let directory = both.directory.path().join(format!("packages/{index}"));
        let file = |path: &str, digest| (path.parse().unwrap(), digest);
        let files = [file("a/b/model.onnx", hello), file("copy.txt", hello), file("w", world)];
        store.materialize(&files, &directory).await.unwrap();
        assert_eq!(fs_err::read(directory.join("a/b/model.onnx")).unwrap(), b"hello");
        assert_eq!(fs_err::read(directory.join("copy.txt")).unwrap(), b"hello");
        assert_eq!(fs_err::read(directory.join("w")).unwrap(), b"world");
        assert!(fs_err::symlink_metadata(directory.join("w")).unwrap().is_file());
        store.materialize(&files, &directory).await.unwrap_err();

        let absent = "1".repeat(64).parse().unwrap();
        let broken = both.directory.path().join(format!("packages/broken-{index}"));
        let missing = store.materialize(&[file("w", world), file("x", absent)], &broken).await;
        assert!(matches!(missing, Err(ArtifactError::Missing(digest)) if digest == absent));
        assert!(!broken.exists());
        // What was there before is not harmed.
        assert_eq!(fs_err::read(directory.join("w")).unwrap(), b"world");
    }
    assert_eq!(names_below(&both.directory.path().join("packages")).len(), 2, "nothing half-made is left");
}

#[cfg(unix)]
#[tokio::test]
async fn local_packages_are_hard_links_that_nobody_may_write_through() {
    use std::os::unix::fs::MetadataExt as _;
    let both = both();
    let [local, _] = &both.stores;
    let digest = local.put(bytes("hello"), 9, None).await.unwrap().digest;
    let directory = both.directory.path().join("package");
    local.materialize(&[("model.onnx".parse().unwrap(), digest)], &directory).await.unwrap();
    let link = fs_err::metadata(directory.join("model.onnx")).unwrap();
    assert_eq!((link.nlink(), link.mode() & 0o777), (2, 0o400));
    // Deleting the content leaves the package as it is: an engine that has it open goes on.
    local.delete(&digest).await.unwrap();
    assert_eq!(fs_err::read(directory.join("model.onnx")).unwrap(), b"hello");
}
