//! One record's panic must not take its batch along.

use couplet_engine::{Delivery, Disposition};

/// Synchronizes a batch. When it panics it is halved until only the guilty record is left, which alone goes back.
///
/// Records of a batch that panicked may have been synchronized already: synchronizing them again changes nothing.
pub async fn isolated<F, Work>(deliveries: Vec<Delivery>, synchronize: F) -> Vec<Disposition>
where
    F: Fn(Vec<Delivery>) -> Work,
    Work: Future<Output = Vec<Disposition>> + Send + 'static,
{
    let mut dispositions: Vec<Option<Disposition>> = deliveries.iter().map(|_| None).collect();
    let mut open = vec![(0, deliveries)];
    while let Some((start, mut part)) = open.pop() {
        if part.is_empty() {
            continue;
        }
        let count = part.len();
        match tokio::spawn(synchronize(copy(&part))).await {
            Ok(answers) if answers.len() == count => {
                for (offset, answer) in answers.into_iter().enumerate() {
                    dispositions[start + offset] = Some(answer);
                }
            }
            _ if count == 1 => {
                let message = &part[0].message;
                tracing::error!(
                    mapping = %message.mapping, run = %message.run, record = %message.record,
                    "the record made its synchronization panic"
                );
            }
            _ => {
                let second = part.split_off(count / 2);
                open.push((start + count / 2, second));
                open.push((start, part));
            }
        }
    }
    let panicked = || Disposition::Return { reason: "its synchronization panicked".into(), after: None };
    dispositions.into_iter().map(|disposition| disposition.unwrap_or_else(panicked)).collect()
}

fn copy(deliveries: &[Delivery]) -> Vec<Delivery> {
    deliveries
        .iter()
        .map(|delivery| Delivery { message: delivery.message.clone(), receive_count: delivery.receive_count })
        .collect()
}

#[cfg(test)]
mod tests {
    use couplet_model::ids::{CompanyId, MappingName, RecordId, RunId};
    use couplet_model::message::{Direction, MESSAGE_FORMAT, RecordMessage, SyncOptions};
    use uuid::Uuid;

    use super::*;

    fn deliveries(count: u128) -> Vec<Delivery> {
        let message = |number| RecordMessage {
            v: MESSAGE_FORMAT,
            company: CompanyId(Uuid::nil()),
            mapping: MappingName::from("CUSTOMER"),
            direction: Direction::ToDataverse,
            record: RecordId(Uuid::from_u128(number)),
            job: "CUSTOMER".to_owned(),
            run: RunId(Uuid::nil()),
            options: SyncOptions::default(),
            snapshot: None,
            replay: None,
            wish: None,
        };
        (0..count).map(|number| Delivery { message: message(number), receive_count: 1 }).collect()
    }

    /// Numbers of the records that go back when these make the synchronization panic.
    async fn returned(count: u128, guilty: &'static [u128]) -> Vec<usize> {
        let synchronize = |part: Vec<Delivery>| async move {
            assert!(!part.iter().any(|delivery| guilty.contains(&delivery.message.record.0.as_u128())));
            part.iter().map(|_| Disposition::Done).collect()
        };
        let dispositions = isolated(deliveries(count), synchronize).await;
        assert_eq!(dispositions.len() as u128, count);
        let goes_back = |(index, disposition)| match disposition {
            Disposition::Done => None,
            Disposition::Return { .. } | Disposition::Postpone { .. } => Some(index),
        };
        dispositions.into_iter().enumerate().filter_map(goes_back).collect()
    }

    #[tokio::test]
    async fn only_the_record_that_panics_goes_back() {
        assert_eq!(returned(1000, &[617]).await, [617]);
    }

    #[tokio::test]
    async fn several_guilty_records_are_all_found() {
        assert_eq!(returned(9, &[0, 4, 8]).await, [0, 4, 8]);
        assert_eq!(returned(1, &[0]).await, [0]);
        assert_eq!(returned(0, &[0]).await, [0; 0]);
        assert_eq!(returned(5, &[]).await, [0; 0]);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_short_loses_no_record() {
        let synchronize =
            |part: Vec<Delivery>| async move { if part.len() > 1 { vec![] } else { vec![Disposition::Done] } };
        let dispositions = isolated(deliveries(4), synchronize).await;
        assert!(dispositions.iter().all(|disposition| matches!(disposition, Disposition::Done)));
    }
}
