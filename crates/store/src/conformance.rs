//! The suite that every store must pass: each guarantee of the port as a case.
//!
//! An adapter says where its stores live and has one test for each case:
//!
//! ```
//! use std::sync::Arc;
//! use store::{MemoryStore, Store, conformance::Place};
//!
//! #[derive(Default)]
//! struct Memory(Arc<MemoryStore>);
//!
//! impl Place for Memory {
//!     async fn open(&self) -> Arc<dyn Store> {
//!         Arc::clone(&self.0) as Arc<dyn Store>
//!     }
//! }
//!
//! store::conformance_tests!(Memory::default());
//! ```
//!
//! The cases panic where a guarantee is broken. They need a Tokio runtime with time.

use std::{future::Future, sync::Arc};

use crate::{Commit, CommitRefused, Row, Store};

pub mod audit;
pub mod batches;
pub mod checks;
pub mod commits;
pub mod dead_letters;
pub mod deliveries;
pub mod journal;
pub mod lasting;
pub mod listing;
pub mod open;
pub mod samples;
pub mod upkeep;
pub mod wake_ups;
pub mod witness;

/// Where one store under test keeps its data.
pub trait Place: Send + Sync + 'static {
    /// Opens the store: an empty one at first, and later what was left there. The case drops its store before it
    /// opens it again.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// Writes one test for each case. The expression makes a new, empty [`Place`].
#[macro_export]
macro_rules! conformance_tests {
    ($place:expr) => {
        $crate::conformance_tests! { @cases $place;
            audit {
                an_act_is_kept_as_it_was_written_last
                acts_are_listed_by_filter_and_page
                pruning_takes_old_acts
            }
            batches {
                a_batch_is_written_together_with_its_rows
                a_row_of_a_batch_is_replaced_and_its_neighbours_stay
                a_batch_is_changed_from_the_state_that_was_seen_and_no_other
                rows_of_a_batch_are_read_in_order
                batches_are_listed_by_filter_and_page
                pruning_takes_batches_that_need_nothing_any_more
            }
            checks {
                a_used_key_is_answered_with_what_it_stands_for
                a_command_is_attached_only_to_an_open_closure
                the_same_event_is_told_from_another_body_under_its_id
                the_checks_come_in_their_stated_order
                a_refused_commit_changes_nothing
                a_commit_that_cannot_be_written_spares_its_neighbours
                a_malformed_commit_changes_nothing
            }
            commits {
                an_insert_needs_that_there_is_no_row
                a_stale_writer_changes_nothing
                every_column_can_change
                of_racing_writers_exactly_one_wins_each_version
                commits_are_applied_in_the_order_of_asking
                a_dropped_future_is_still_applied
            }
            dead_letters {
                a_dead_letter_is_kept_once
                a_dead_letter_is_rewritten_but_never_made_by_it
                dead_letters_are_listed_and_counted
                pruning_takes_dead_letters_that_were_seen_to
            }
            deliveries {
                what_is_owed_is_noted_together_with_the_cursor
                due_deliveries_come_a_few_of_every_lane
                a_delivery_is_rewritten_but_never_made_by_it
                deliveries_are_listed_by_filter_and_page
                pruning_takes_settled_deliveries_and_no_other
            }
            journal {
                a_journal_is_read_in_order
                positions_grow_over_all_closures
                announcements_are_read_in_order_from_a_position
                a_cursor_never_moves_back
                a_position_is_not_given_out_again_after_pruning
            }
            lasting {
                everything_is_there_after_reopening
                ten_thousand_rows_are_found_again
            }
            listing {
                every_filter_finds_what_it_asks_for_in_both_orders
                every_tally_counts_what_its_filter_asks_for
                what_is_held_is_counted_by_queue
                pages_neither_repeat_nor_skip_while_rows_are_added
                labels_follow_their_row
            }
            open {
                a_conversation_has_one_open_closure
                an_end_makes_room_for_another_closure
                an_end_is_written_again_beside_an_open_closure
                a_lookup_cannot_move_onto_a_conversation_that_is_taken
                of_racing_openers_exactly_one_wins
                open_rows_are_walked_in_order_of_key
            }
            upkeep {
                a_row_set_aside_is_kept_but_neither_open_nor_due_nor_listed
                a_commit_takes_a_row_back_from_quarantine
                pruning_removes_what_ended_long_ago_and_nothing_that_is_open
                pruning_forgets_old_events_and_keys
                pruning_keeps_to_its_limit
                the_inbox_is_read_latest_first
                a_switch_stays_as_it_was_set
                a_store_that_works_passes_its_check
            }
            wake_ups {
                due_rows_come_earliest_first_and_within_the_limit
                a_moved_wake_up_is_due_at_its_new_moment_only
                an_ended_row_is_never_due
            }
        }
    };
    (@cases $place:expr; $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            #[allow(unused_imports, reason = "the expression may be made of nothing but paths")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$group::$case($place).await;
                }
            )*
        })*
    };
}

/// Commits what must be taken.
pub(crate) async fn put(store: &dyn Store, commit: Commit) {
    store.commit(commit).await.expect("the commit is in order and must be taken");
}

/// Writes `row` as the next version, with its journal line.
pub(crate) async fn put_row(store: &dyn Store, row: &Row) {
    put(store, samples::insert(row)).await;
}

/// Commits what must be refused, and returns why.
pub(crate) async fn refused(store: &dyn Store, commit: Commit) -> CommitRefused {
    store.commit(commit).await.expect_err("the commit must be refused")
}

/// What a read answers on a store that works.
pub(crate) async fn read<T>(read: impl Future<Output = Result<T, crate::StoreUnavailable>>) -> T {
    read.await.expect("a store that works answers reads")
}
