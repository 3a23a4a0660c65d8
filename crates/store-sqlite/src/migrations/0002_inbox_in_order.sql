-- Nobody asks for the events of one conversation, and random keys made this the busiest page writer of a commit.
DROP INDEX inbox_conversation;
