"""What a dialplan does with a number: walked by Asterisk's own rules, without calling anybody."""
