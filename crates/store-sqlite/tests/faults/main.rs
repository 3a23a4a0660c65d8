//! A disk that fails: at each request in turn, for a while, by a loss of power, by what it gives back.
//!
//! What was answered is there and nothing is half there, whatever fails; and the store goes on without being opened anew.

mod damage;
mod disk;
mod each_change;
mod each_read;
mod power;
mod work;
