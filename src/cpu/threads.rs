//! Threads that share the images of a batch. One thread, or one image, is the calling thread's own
//! business: nothing is handed over, so that its CPU time is the whole cost.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::io;

/// A number of threads, there from one batch to the next.
pub struct Threads {
    /// None where the calling thread works alone.
    pool: Option<ThreadPool>,
    count: usize,
}

impl Threads {
    /// The calling thread alone.
    pub fn single() -> Self {
        Self { pool: None, count: 1 }
    }

    /// `count` threads beside the calling one, which waits for them; for 0 and 1 the calling thread
    /// alone.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(count: usize) -> io::Result<Self> {
        if count <= 1 {
            return Ok(Self::single());
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("batch-{number}"))
            .build()
            .map_err(|error| io::Error::other(format!("cannot start {count} threads: {error}")))?;
        Ok(Self { pool: Some(pool), count })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `work` with each run of `size` items and its number, in the order of their numbers
    /// where one thread works alone. Every thread has one of `states` to itself.
    ///
    /// # Errors
    /// That of the run with the lowest number.
    ///
    /// # Panics
    /// If there are fewer states than threads, `size` is 0, or `work` panics.
    pub fn each<S: Send, T: Send, E: Send>(
        &self,
        states: &mut [S],
        items: &mut [T],
        size: usize,
        work: impl Fn(&mut S, usize, &mut [T]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let states = &mut states[..self.count];
        let share = Share { states, items, size, first: 0 };
        match &self.pool {
            Some(pool) if share.runs() > 1 => pool.install(|| share.split(&work)),
            _ => share.work(&work),
        }
    }
}

/// Consecutive runs of items, and the states of the threads that they are for.
struct Share<'a, S, T> {
    states: &'a mut [S],
    items: &'a mut [T],
    size: usize,
    /// Number of the first run.
    first: usize,
}

impl<S: Send, T: Send> Share<'_, S, T> {
    fn runs(&self) -> usize {
        self.items.len().div_ceil(self.size)
    }

    /// Halves states and items until one of either is left.
    fn split<E: Send>(
        self,
        work: &(impl Fn(&mut S, usize, &mut [T]) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        let (runs, threads) = (self.runs(), self.states.len());
        if runs <= 1 || threads <= 1 {
            return self.work(work);
        }
        // Rounded up, so that neither half has more runs per thread than it must.
        let before = (runs * (threads / 2)).div_ceil(threads);
        let Self { states, items, size, first } = self;
        let (left_states, right_states) = states.split_at_mut(threads / 2);
        let (left_items, right_items) = items.split_at_mut(before * size);
        let left = Share { states: left_states, items: left_items, size, first };
        let right = Share { states: right_states, items: right_items, size, first: first + before };
        let (left, right) = rayon::join(|| left.split(work), || right.split(work));
        left.and(right)
    }

    fn work<E>(self, work: &impl Fn(&mut S, usize, &mut [T]) -> Result<(), E>) -> Result<(), E> {
        let state = &mut self.states[0];
        for (run, items) in (self.first..).zip(self.items.chunks_mut(self.size)) {
            work(state, run, items)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_run_is_worked_on_once_whatever_the_threads() {
        for count in 0..6 {
            let threads = Threads::new(count).unwrap();
            for runs in 0..20 {
                let mut states = vec![0; threads.count()];
                let mut items = vec![usize::MAX; 3 * runs];
                let result: Result<(), ()> =
                    threads.each(&mut states, &mut items, 3, |state, run, items| {
                        *state += 1;
                        assert!(items.iter().all(|&item| item == usize::MAX));
                        items.fill(run);
                        Ok(())
                    });
                assert_eq!(result, Ok(()));
                assert!(items.iter().enumerate().all(|(index, &item)| item == index / 3));
                let most = states.iter().max().unwrap();
                assert!(*most <= runs.div_ceil(threads.count()), "{states:?} of {runs} runs");
            }
        }
    }

    #[test]
    fn runs_are_shared_among_threads() {
        let threads = Threads::new(2).unwrap();
        let mut ids = vec![None; 2];
        let one = |_: &mut (), _: usize, id: &mut [Option<std::thread::ThreadId>]| {
            id[0] = Some(std::thread::current().id());
            // Long enough for the other thread to wake up.
            std::thread::sleep(std::time::Duration::from_millis(50));
            Ok::<(), ()>(())
        };
        threads.each(&mut [(), ()], &mut ids, 1, one).unwrap();
        let distinct: BTreeSet<String> = ids.iter().map(|id| format!("{id:?}")).collect();
        assert_eq!(distinct.len(), 2, "{ids:?}");
    }

    #[test]
    fn nothing_is_handed_over_for_one_run_or_one_thread() {
        let me = std::thread::current().id();
        for (count, runs) in [(1, 5), (3, 1)] {
            let threads = Threads::new(count).unwrap();
            let mut ids = vec![None; runs];
            let tell = |_: &mut (), _: usize, id: &mut [Option<std::thread::ThreadId>]| {
                id[0] = Some(std::thread::current().id());
                Ok::<(), ()>(())
            };
            threads.each(&mut vec![(); count], &mut ids, 1, tell).unwrap();
            assert!(ids.iter().all(|&id| id == Some(me)), "{count} threads, {runs} runs");
        }
    }

    #[test]
    fn of_several_errors_the_first_is_told() {
        let threads = Threads::new(3).unwrap();
        let fail = |_: &mut (), run: usize, _: &mut [u8]| if run >= 2 { Err(run) } else { Ok(()) };
        assert_eq!(threads.each(&mut [(), (), ()], &mut [0; 9], 1, fail), Err(2));
    }
}
