ALTER TABLE `api_keys` ADD `expires_at` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `last_used_at` integer;--> statement-breakpoint
ALTER TABLE `tenants` ADD `old_secrets` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `tenants` ADD `poll_limit_per_s` real;--> statement-breakpoint
ALTER TABLE `tenants` ADD `request_limit_per_s` real;--> statement-breakpoint
ALTER TABLE `tenants` ADD `updated_at` integer;