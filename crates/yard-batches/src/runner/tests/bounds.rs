//! What the files of an owner may take up, and when their bytes go.

use super::*;
use crate::{BatchError, ByteStream};

fn content(bytes: usize) -> ByteStream {
    let piece = Ok::<_, std::io::Error>(bytes::Bytes::from(vec![b'x'; bytes]));
    Box::pin(futures_util::stream::iter([piece]))
}

#[tokio::test]
async fn the_bytes_of_a_key_are_bounded_before_they_are_kept() {
    let world = World::with(BatchOptions { max_bytes: 100, max_file_bytes: 80, ..BatchOptions::default() });
    let own = owner("a");
    // Both fit when they begin to come, and one of them when they are to be kept.
    let first = world.batches.stage(&own, content(60)).await.unwrap();
    let second = world.batches.stage(&own, content(61)).await.unwrap();
    let digest = second.digest();
    let new = |content| NewFile { name: "in".to_owned(), lifetime_seconds: None, content };
    let kept = world.batches.add_file(&own, new(first)).await.unwrap();
    assert!(matches!(world.batches.add_file(&own, new(second)).await, Err(BatchError::NoRoom(100))));
    assert!(world.contents.get(&digest).is_none(), "what is refused is not published");
    assert!(matches!(world.batches.stage(&own, content(41)).await, Err(BatchError::NoRoom(100))));
    assert!(matches!(world.batches.stage(&own, content(81)).await, Err(BatchError::NoRoom(100))));
    assert!(matches!(world.batches.stage(&owner("b"), content(81)).await, Err(BatchError::Content(_))));
    assert!(world.batches.stage(&own, content(40)).await.is_ok());
    world.batches.remove_file(&own, &kept.id).await.unwrap();
    assert!(world.batches.stage(&own, content(80)).await.is_ok());
}

#[tokio::test]
async fn a_key_with_as_many_files_as_it_may_have_sends_none_in_vain() {
    let world = World::with(BatchOptions { max_files: 1, ..BatchOptions::default() });
    let own = owner("a");
    let staged = world.batches.stage(&own, content(5)).await.unwrap();
    let new = NewFile { name: "in".to_owned(), lifetime_seconds: None, content: staged };
    world.batches.add_file(&own, new).await.unwrap();
    assert!(matches!(world.batches.stage(&own, content(5)).await, Err(BatchError::TooManyFiles(1))));
}

#[tokio::test(start_paused = true)]
async fn answers_for_which_there_is_no_room_are_not_paid_for() {
    let text: String = (1..=5).map(|number| input_line(number, &json!({"n": number}))).collect();
    // An answer takes 22 bytes with its names.
    let options = BatchOptions {
        max_bytes: text.len() as u64 + 50,
        lines_at_once: NonZeroUsize::MIN,
        ..BatchOptions::default()
    };
    let world = World::with(options);
    let runner = world.run();
    let made = world.make_of(&owner("a"), text, "24h").await;
    let ended = world.ended(&made).await;
    assert_eq!(ended.status, BatchStatus::Completed);
    assert_eq!(world.names(&ended, false).await, names([1, 2]));
    let errors = world.file(&ended, true).await;
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().all(|line| line["response"]["status_code"] == 409), "{errors:?}");
    // The third came to more than was left; those after it never ran.
    assert_eq!(world.lines.begun(""), 3);
    assert!(matches!(world.batches.stage(&owner("a"), content(1)).await, Err(BatchError::NoRoom(_))));
    let again = NewBatch {
        input_file: made.input_file.to_string(),
        endpoint: "/v1/completions".to_owned(),
        window: "24h".to_owned(),
        metadata: BTreeMap::new(),
    };
    assert!(matches!(world.batches.create(&owner("a"), again).await, Err(BatchError::NoRoom(_))));
    let activity = world.batches.activity();
    assert_eq!((activity.answered, activity.refused), (2, 3));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_collected_once_an_hour_at_most() {
    let world = World::new();
    let runner = world.run();
    let seconds = |seconds| sleep(Duration::from_secs(seconds));
    seconds(3_500).await;
    assert_eq!(world.contents.collections(), 0);
    // Nobody knows what was deleted before the start.
    seconds(300).await;
    assert_eq!(world.contents.collections(), 1);
    seconds(7_200).await;
    assert_eq!(world.contents.collections(), 1, "there is nothing to collect");
    for _ in 0..3 {
        let staged = world.batches.stage(&owner("a"), content(5)).await.unwrap();
        let new = NewFile { name: "in".to_owned(), lifetime_seconds: None, content: staged };
        let file = world.batches.add_file(&owner("a"), new).await.unwrap();
        world.batches.remove_file(&owner("a"), &file.id).await.unwrap();
        seconds(200).await;
    }
    assert_eq!(world.contents.collections(), 2);
    seconds(3_600).await;
    assert_eq!(world.contents.collections(), 3);
    runner.stop().await;
}
