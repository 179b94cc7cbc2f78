//! Findings that no comparison of this pass came across: are they still true?

use super::pass::{Pass, in_detail};
use crate::app::AppError;
use crate::domain::finding::{Finding, Subject};

impl Pass<'_> {
    /// Looks again at open findings, a batch in each pass, those first that were not seen for longest.
    pub(super) async fn recheck(&mut self) -> Result<(), AppError> {
        let open = std::mem::take(&mut self.open);
        let unseen = open.iter().filter(|finding| !self.looked_at.contains(&finding.subject));
        let unseen: Vec<&Finding> = unseen.take(self.batch() as usize).collect();
        for finding in unseen {
            let done = self.finding_recheck(finding).await;
            self.note_one("recheck", &finding.id, done)?;
        }
        Ok(())
    }

    async fn finding_recheck(&mut self, finding: &Finding) -> Result<(), AppError> {
        let (id, detail) = (finding.id, &finding.detail);
        match &finding.subject {
            Subject::Intent(intent) => {
                self.intent_recheck(id, intent, in_detail(detail, "booking"), detail).await
            }
            Subject::ProviderRefund(refund) => {
                self.refund_recheck(id, refund, in_detail(detail, "refund"), detail).await
            }
            Subject::Booking(booking) => self.booking_recheck(*booking, detail).await,
            Subject::Show(show) => self.seats_compare(&[*show]).await,
            // These are looked at in each pass.
            Subject::Outbox | Subject::Queue(_) => Ok(()),
        }
    }
}
