//! Fan-out: the sockets of one thread that watch the same subscription are a group, with one task. It takes
//! each event once, and writes it to one socket after the other: with a task and a wake-up for each socket
//! these would cost as much as the write itself.
//!
//! Who does not take what they were sent gets no more for now. Their events wait, up to
//! `caps.events_per_reader`; beyond that they miss the oldest, and are told so with the next one.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    rc::Rc,
};

use metrics::Counter;
use ntex::{http::StatusCode, io::IoRef, rt, util::Bytes, web::ws};
use tokio::{sync::Notify, task::yield_now};

use super::{
    connection::Connection,
    protocol::{self, Answers},
};
use crate::{
    audience::{AudienceId, Event, Events, Taken, Viewer, resync},
    places::Place,
};

/// Sockets that are written to before it is the turn of whatever else the thread has to do.
const TURN: usize = 64;

/// The groups of one thread.
#[derive(Clone)]
pub(crate) struct Groups {
    by_audience: Rc<RefCell<HashMap<AudienceId, Rc<Group>>>>,
    /// Events that may wait for one reader.
    capacity: usize,
    /// Counts what they were sent.
    sent: Counter,
}

struct Group {
    members: RefCell<Members>,
    /// Told when the last member has left.
    left: Notify,
}

#[derive(Default)]
struct Members {
    /// In the order in which they came.
    present: BTreeMap<u64, Member>,
    came: u64,
}

/// A subscription of a socket. What each event needs is here, and the rest elsewhere: with thousands of
/// members, whatever is looked at is fetched from memory.
struct Member {
    io: IoRef,
    answers: Answers,
    /// Nothing while it takes what it is sent.
    late: RefCell<Option<Box<Late>>>,
    rest: Box<Rest>,
}

struct Rest {
    connection: Rc<Connection>,
    id: Rc<str>,
    /// Counts what it is sent later than others.
    sent: Counter,
    _place: Place,
}

/// What a reader has not been sent yet.
#[derive(Default)]
struct Late {
    events: VecDeque<Rc<Shown>>,
    /// Whether it has missed some before these.
    behind: bool,
}

/// An event for all members.
struct Shown {
    json: Bytes,
    /// The same for those who have missed some before.
    resync: OnceCell<Bytes>,
    /// What was written last, and to whom: the next one may have the same id.
    frame: RefCell<(Option<Answers>, Vec<u8>)>,
}

/// Membership, until it is dropped.
pub(super) struct Watching {
    group: Rc<Group>,
    number: u64,
}

impl Groups {
    /// None yet; a reader may be behind by up to `capacity` events.
    pub(crate) fn new(capacity: usize, sent: Counter) -> Self {
        Self { by_audience: Rc::default(), capacity, sent }
    }

    /// Has a socket of this thread watch as an operation of its own, for as long as the membership lives.
    ///
    /// Nothing may be waited for between joining the audience and this: what the audience is shown meanwhile
    /// would be gone, as a group that is there has its own place in it.
    pub(super) fn join(&self, connection: Rc<Connection>, id: Rc<str>, viewer: Viewer) -> Watching {
        let Viewer { events, place, sent, .. } = viewer;
        let known = self.by_audience.borrow().get(&events.audience).map(Rc::clone);
        let group = known.unwrap_or_else(|| {
            let group = Rc::new(Group { members: RefCell::default(), left: Notify::new() });
            self.by_audience.borrow_mut().insert(events.audience, Rc::clone(&group));
            rt::spawn(Rc::clone(&group).serve(self.clone(), events));
            group
        });
        let mut members = group.members.borrow_mut();
        let neighbour = members.present.last_key_value().map(|(_, member)| &member.answers);
        let member = Member {
            io: connection.io().clone(),
            answers: Answers::like(neighbour, &id),
            late: RefCell::default(),
            rest: Box::new(Rest { connection, id, sent, _place: place }),
        };
        let number = members.came;
        members.came += 1;
        members.present.insert(number, member);
        drop(members);
        Watching { group, number }
    }
}

impl Group {
    /// Shows its members the events of their audience, for as long as there are any of either.
    async fn serve(self: Rc<Self>, groups: Groups, mut events: Events) {
        loop {
            let taken = tokio::select! {
                taken = events.next() => taken,
                () = self.left.notified() => match self.members.borrow().present.is_empty() {
                    true => break,
                    false => continue,
                },
            };
            if self.is_draining() {
                // What ends now ends with everything else. Clients are about to lose their sockets and will
                // subscribe elsewhere, which they would not if their subscription were complete.
                break;
            }
            match taken {
                Some(Taken::Event(Event::Next(json))) => self.show(json, &groups).await,
                Some(Taken::Event(Event::Refused(json))) => {
                    let refused = |id: &str| protocol::refused(id, &json, StatusCode::INTERNAL_SERVER_ERROR);
                    break self.end(refused).await;
                }
                Some(Taken::Missed(missed)) => self.miss(missed),
                None => break self.end(protocol::complete).await,
            }
        }
        groups.by_audience.borrow_mut().remove(&events.audience);
    }

    fn is_draining(&self) -> bool {
        self.members
            .borrow()
            .present
            .values()
            .next()
            .is_some_and(|member| member.rest.connection.is_draining())
    }

    async fn show(&self, json: Bytes, groups: &Groups) {
        let event = Rc::new(Shown { json, resync: OnceCell::new(), frame: RefCell::default() });
        // Who comes meanwhile came after the event.
        let (mut from, to) = (0, self.members.borrow().came);
        while let Some(last) = self.show_some(&event, from..to, groups) {
            from = last + 1;
            yield_now().await;
        }
    }

    /// Shows an event to the first few of these members; the number of the last of them.
    fn show_some(&self, event: &Rc<Shown>, numbers: Range<u64>, groups: &Groups) -> Option<u64> {
        let (mut last, mut shown) = (None, 0);
        let members = self.members.borrow();
        for (number, member) in members.present.range(numbers).take(TURN) {
            shown += u64::from(member.show(event, groups.capacity));
            last = Some(*number);
        }
        groups.sent.increment(shown);
        last
    }

    /// The whole group has missed so many, and whoever still waits for those before has no use for them: they
    /// have to read anew.
    fn miss(&self, missed: u64) {
        let members = self.members.borrow();
        let mut all = 0;
        for member in members.present.values() {
            let mut late = member.late.borrow_mut();
            let late = late.get_or_insert_default();
            all += missed + late.events.len() as u64;
            late.events.clear();
            late.behind = true;
        }
        metrics::counter!("gateway_events_missed_total").increment(all);
    }

    /// Ends all memberships, each with a last message to its operation.
    async fn end(&self, last: impl Fn(&str) -> ws::Message) {
        loop {
            if self.is_draining() {
                return;
            }
            let members = self.take_some();
            if members.is_empty() {
                return;
            }
            for member in members {
                let message = last(&member.rest.id);
                member.end(message);
            }
            yield_now().await;
        }
    }

    /// The first few members, who are none any more.
    fn take_some(&self) -> Vec<Member> {
        let mut members = self.members.borrow_mut();
        (0..TURN).map_while(|_| members.present.pop_first()).map(|(_, member)| member).collect()
    }
}

impl Member {
    /// Sends an event now, or has it wait while the peer takes nothing. Whether it was sent.
    fn show(&self, event: &Rc<Shown>, capacity: usize) -> bool {
        let mut late = self.late.borrow_mut();
        if late.is_none() && !self.is_pressed() {
            event.write(&self.answers, &self.io);
            return true;
        }
        late.get_or_insert_default().push(event, capacity);
        drop(late);
        if !self.is_pressed() {
            self.catch_up();
        }
        false
    }

    /// Sends what waits: one event in any case, so that whatever a peer watches has its turn, and more for as
    /// long as the peer takes it.
    fn catch_up(&self) {
        let mut waiting = self.late.borrow_mut();
        let Some(late) = waiting.as_mut() else { return };
        while self.send_next(late) && !self.is_pressed() {}
        if late.events.is_empty() && !late.behind {
            *waiting = None;
        }
    }

    /// Sends the next event that waits, if any does.
    fn send_next(&self, late: &mut Late) -> bool {
        let Some(event) = late.events.pop_front() else { return false };
        match std::mem::take(&mut late.behind) {
            true => write(&self.io, &self.answers.frame(event.anew())),
            false => event.write(&self.answers, &self.io),
        }
        self.rest.sent.increment(1);
        true
    }

    fn is_pressed(&self) -> bool {
        self.io.is_wr_backpressure()
    }

    /// Nothing comes after this message. What waits comes before it; of what a slow peer would have to take,
    /// the newest alone.
    fn end(self, message: ws::Message) {
        if let Some(mut late) = self.late.take() {
            if self.is_pressed() {
                late.leave(1);
            }
            while self.send_next(&mut late) {}
        }
        self.rest.connection.send(message);
        self.rest.connection.finished(&self.rest.id);
    }
}

impl Late {
    fn push(&mut self, event: &Rc<Shown>, capacity: usize) {
        self.leave(capacity.saturating_sub(1));
        self.events.push_back(Rc::clone(event));
    }

    /// Leaves the newest few events.
    fn leave(&mut self, few: usize) {
        let missed = self.events.len().saturating_sub(few);
        if missed > 0 {
            self.events.drain(..missed);
            self.behind = true;
            metrics::counter!("gateway_events_missed_total").increment(missed as u64);
        }
    }
}

impl Shown {
    /// Writes the event to a reader who has all before it.
    fn write(&self, answers: &Answers, io: &IoRef) {
        let mut frame = self.frame.borrow_mut();
        let (of, bytes) = &mut *frame;
        if of.as_ref().is_none_or(|of| !of.are(answers)) {
            *bytes = answers.frame(&self.json);
            *of = Some(answers.clone());
        }
        write(io, bytes);
    }

    fn anew(&self) -> &Bytes {
        metrics::counter!("gateway_resyncs_total", "cause" => "slow").increment(1);
        self.resync.get_or_init(|| resync(&self.json))
    }
}

/// Writes a frame at once: nothing else is going to be written with it.
fn write(io: &IoRef, frame: &[u8]) {
    // If the peer is gone, the socket is told.
    drop(io.encode_slice(frame).and_then(|()| io.send_buf()));
}

impl Watching {
    /// The peer takes again what it is sent.
    pub(super) fn catch_up(&self) {
        if let Some(member) = self.group.members.borrow().present.get(&self.number) {
            member.catch_up();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut members = self.group.members.borrow_mut();
        // What it holds goes when nothing is borrowed any more.
        let gone = members.present.remove(&self.number);
        let is_empty = members.present.is_empty();
        drop(members);
        drop(gone);
        if is_empty {
            self.group.left.notify_one();
        }
    }
}
