-- What a file of version 2 may hold: a closure that ended after three lines, an open one for the same conversation, an event and a
-- key. Only tests read it.
INSERT INTO closures VALUES
    (x'00000000000000000000000000000001', 3, 1, 'main', x'000000000000000000000000000000c1', x'000000000000000000000000000000a1', 'http', 1000, NULL, 'closed', NULL, NULL, 1300, x'7b7d'),
    (x'00000000000000000000000000000002', 1, 0, 'main', x'000000000000000000000000000000c1', NULL, 'http', 2000, NULL, 'verifying', NULL, 2500, 2000, x'7b7d');
INSERT INTO journal VALUES
    (1, x'00000000000000000000000000000001', 1, 1000, 'accepted', 'accepted', x'01'),
    (2, x'00000000000000000000000000000001', 2, 1100, 'replied', NULL, x'02'),
    (3, x'00000000000000000000000000000002', 1, 2000, 'accepted', NULL, x'03'),
    (5, x'00000000000000000000000000000001', 3, 1300, 'replied', 'closed', x'04');
INSERT INTO inbox VALUES (1, 'relay', 'e1', x'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'main', x'000000000000000000000000000000c1', 1200, 'taken');
INSERT INTO idempotency_keys VALUES ('shop', 'order-1', x'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', x'00000000000000000000000000000001', 0, 1000);
