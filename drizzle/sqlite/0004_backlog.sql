ALTER TABLE `endpoints` ADD `backlog_told_at` integer;--> statement-breakpoint
CREATE INDEX `endpoints_backlog` ON `endpoints` (`id`) WHERE backlog_told_at is not null;