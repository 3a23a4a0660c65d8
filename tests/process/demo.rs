//! The first thing that a newcomer runs.

use closeout_tests::run;

#[test]
fn the_demo_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["demo", "--sessions", "200"], &[]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    for said in
        ["Every promise held", "wrapper closed before the guest was proven gone: 0", "commands lost: 0"]
    {
        assert!(ended.stdout.contains(said), "{said:?} is missing in\n{}", ended.stdout);
    }
}
