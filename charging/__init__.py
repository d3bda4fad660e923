"""The rules of money: pure functions and values, without network, database or clock."""
